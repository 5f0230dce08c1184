/** The table that most scenarios work on: rows of some 150 bytes, a second index. */

export const itemsSchema = `
  create table items (
    id   bigint primary key,
    grp  integer not null,
    val  integer not null,
    note text    not null
  );
  create index items_grp on items (grp);`;

export const fillItems = (first: number, last: number): string =>
  `insert into items select i, i % 1000, 0, repeat(md5(i::text), 3) from generate_series(${first}, ${last}) i`;
