-- A small shop, written to in three places: A, B and C.

create table product (
  id    integer primary key,
  name  text    not null,
  price numeric(10, 2) not null,
  stock integer not null
);

create table customer (
  id   uuid primary key default gen_random_uuid(),
  name text not null,
  city text not null
);

create table "Order" (
  shop     text   not null,
  number   bigint not null,
  customer uuid   not null references customer,
  placed   timestamptz not null default now(),
  state    text   not null default 'new',
  primary key (shop, number)
);

create table order_line (
  shop     text    not null,
  number   bigint  not null,
  line     integer not null,
  product  integer not null references product,
  quantity integer not null check (quantity > 0),
  primary key (shop, number, line),
  foreign key (shop, number) references "Order" on delete cascade
);

create sequence voucher;
