/** Values of every type, as SQL expressions: the extremes, the odd, and what a careless copy would change. */

const text = [
  `''`,
  `'  blanks  '`,
  `'Zoë ☃ 𝄞 \u0001'`,
  `E'tab\\tline\\nback\\\\slash \\\\N \\\\.'`,
  `repeat('x', 10000)`,
];

export const builtInTypes = {
  smallint: ['-32768', '32767'],
  integer: ['-2147483648', '2147483647'],
  bigint: [`'-9223372036854775808'`, '9007199254740993'],
  numeric: [
    `'NaN'`,
    '1.00',
    '1.0',
    '-0.000',
    '1234567890123456789012345678901234567890.1234567890123456789012345678901234567890',
    `'1e1000'`,
  ],
  'numeric(10,4)': ['1.5', '-999999.9999'],
  real: [`'-0'`, `'NaN'`, `'Infinity'`, `'1.17549435e-38'`, `'0.1'`, `'3.4028235e38'`],
  'double precision': [`'-0'`, `'NaN'`, `'-Infinity'`, `'5e-324'`, `'0.1'::float8 + '0.2'::float8`],
  money: [`'1234567.89'::numeric`, `'-0.01'::numeric`],
  text,
  varchar: text,
  'varchar(20)': [`'trailing  '`, `'ünïcödé'`],
  'char(8)': [`'ab'`, `'ab  '`, `''`, `'ü'`],
  '"char"': [`'x'`, `''`],
  name: [`'pg_class'`, `'ünï "quoted"'`],
  bytea: [
    `(select string_agg(set_byte('\\x00'::bytea, 0, n), '' order by n) from generate_series(0, 255) n)`,
    `''`,
    `'\\x00'`,
  ],
  boolean: ['true', 'false'],
  date: [`'infinity'`, `'-infinity'`, `'4713-01-01 BC'`, `'5874897-12-31'`, `'2024-02-29'`],
  time: [`'24:00:00'`, `'00:00:00.000001'`],
  'time(2)': [`'12:34:56.78'`],
  timetz: [`'12:34:56.789012+05:45'`, `'00:00:00-15:59:59'`],
  timestamp: [
    `'infinity'`,
    `'4713-01-01 00:00:00 BC'`,
    `'294276-12-31 23:59:59.999999'`,
    `'2024-03-31 02:30:00.123456'`,
  ],
  timestamptz: [`'-infinity'`, `'0044-03-15 12:00:00.000001+00 BC'`, `'2024-03-31 02:30:00.123456+01'`],
  'timestamptz(0)': [`'2024-03-31 02:30:00+01'`],
  interval: [`'1 mon -1 days 00:00:00.000001'`, `'-178000000 years'`, `'30 days'`, `'1 mon'`],
  uuid: [`'00000000-0000-0000-0000-000000000000'`, `'ffffffff-ffff-ffff-ffff-ffffffffffff'`],
  json: [`'{"b":1,  "a":2, "a":3.10}'`, `' [1e400, "\\u00e9"] '`, `'null'`],
  jsonb: [`'{"b":1,  "a":2, "a":3.10}'`, `'[12345678901234567890123456789.10, null]'`],
  jsonpath: [`'$.a[*] ? (@.b > 1)'`, `'strict $'`],
  xml: [`'<?xml version="1.0" encoding="UTF-8"?><a>é</a>'`, `'<a/><b/>'`, `'just text'`],
  bit: [`B'1'`],
  'bit(11)': [`B'10101010101'`],
  varbit: [`B''`, `B'1'`, `B'${'10'.repeat(500)}'`],
  inet: [`'192.168.1.5/24'`, `'::1'`, `'2001:db8::/32'`],
  cidr: [`'10.0.0.0/8'`, `'2001:db8::/32'`],
  macaddr: [`'08:00:2b:01:02:03'`],
  macaddr8: [`'08:00:2b:01:02:03:04:05'`],
  point: [`'(-0,NaN)'`, `'(Infinity,0.1)'`],
  line: [`'{1,-1,0.3}'`],
  lseg: [`'[(0,0),(0.1,-0.2)]'`],
  box: [`'(1,2),(-3,-4)'`],
  path: [`'[(0,0),(1,1)]'`, `'((0,0),(1,1),(2,0.1))'`],
  polygon: [`'((0,0),(1,1),(2,0))'`],
  circle: [`'<(0.1,0.2),0.3>'`],
  tsvector: [`'fat:2A,4B cat:3 ''it''''s'':1'`, `''`],
  tsquery: [`'fat:ab & !(cat:* | rat) <2> dog'`, `''`],
  int4range: [`'empty'`, `'[1,5)'`, `'(,)'`],
  int8range: [`'[1,9223372036854775807)'`],
  numrange: [`'[1.00,2.50]'`, `'(,NaN)'`],
  tsrange: [`'[2024-01-01 00:00:00.000001,infinity)'`],
  tstzrange: [`'(-infinity,2024-01-01 00:00:00+05]'`],
  daterange: [`'[2024-01-01,)'`],
  oid: ['0', '4294967295'],
  xid: [`'4294967295'`],
  xid8: [`'18446744073709551615'`],
  cid: [`'7'`],
  tid: [`'(4294967295,65535)'`],
  pg_lsn: [`'FFFFFFFF/FFFFFFFF'`, `'0/0'`],
  pg_snapshot: [`'10:20:10,14,15'`],
  txid_snapshot: [`'10:20:10,14,15'`],
  refcursor: [`'a cursor'`],
  oidvector: [`'1 2 3'`],
  int2vector: [`'1 -2 3'`],
  regproc: [`'pg_catalog.now'`],
  regprocedure: [`'pg_catalog.abs(integer)'`],
  regoper: [`'||/'`],
  regoperator: [`'pg_catalog.+(integer,integer)'`],
  regclass: [`'public."Odd.Name"'`, `'-'`],
  regtype: [`'public.mood'`, `'public.mood[]'`, `'integer'`],
  regrole: [`'pg_monitor'`],
  regnamespace: [`'public'`],
  regconfig: [`'english'`],
  regdictionary: [`'simple'`],
  regcollation: [`'"C"'`],
  aclitem: [`'=r/postgres'`],
  'integer[]': [`'{}'`, `'{1,NULL,3}'`, `'[-2:0][5:6]={{1,2},{3,4},{NULL,6}}'`],
  'text[]': [`array['', 'NULL', null, 'a,b', '"', '\\', '{}', ' ']`],
  'numeric[]': [`'{NaN,1.00,1.0}'`],
  'float8[]': [`'{-0,NaN,Infinity}'`],
  'bytea[]': [`array['\\x00'::bytea, '\\xff22']`],
  'timestamptz[]': [`'{infinity,2024-01-01 00:00:00.000001+00}'`],
  'json[]': [`array['{"a":1, "a":2}'::json, null]`],
  'jsonb[]': [`array['{"a":1}'::jsonb, 'null']`],
  'xml[]': [`array['<?xml version="1.0" encoding="UTF-8"?><a/>'::xml]`],
  'box[]': [`'{(1,1),(0,0);(3,3),(2,2)}'`],
  'int4range[]': [`'{empty,"[1,3)"}'`],
  'regtype[]': [`'{integer,public.mood}'`],
  'money[]': [`array['-1.50'::numeric::money]`],
  'char(4)[]': [`array['a', 'b  ']`],
} satisfies Record<string, readonly string[]>;

/** Since version 14, and those whose values older versions lack. */
export const builtInTypesSince14 = {
  int4multirange: [`'{}'`, `'{[1,3),[5,7)}'`],
  nummultirange: [`'{[1.0,2.00],(3,)}'`],
  int8multirange: [`'{(,9223372036854775807)}'`],
  tsmultirange: [`'{[2024-01-01 00:00:00.000001,infinity)}'`],
  tstzmultirange: [`'{(-infinity,2024-01-01 00:00:00+05]}'`],
  datemultirange: [`'{[2024-01-01,2024-02-01)}'`],
  'int4multirange[]': [`'{"{[1,3)}"}'`],
  'pg_catalog.numeric': [`'Infinity'`, `'-Infinity'`],
} satisfies Record<string, readonly string[]>;

/** Since version 17. */
export const builtInTypesSince17 = { 'pg_catalog.interval': [`'infinity'`, `'-infinity'`] } satisfies Record<
  string,
  readonly string[]
>;

export const userTypeSchema = `
  create extension citext; create extension hstore;
  create type mood as enum ('sad', 'so so', 'it''s "fine", {really}', 'gehört', 'unused');
  create table "Odd.Name" (id int primary key);
  create domain amount as numeric(12,3) check (value >= 0);
  create domain "Größe" as amount default 1 check (value < 1000);
  create domain feeling as mood;
  create domain moods as mood[] check (cardinality(value) < 9);
  create type pair as (a int, b text, c mood, d numeric[]);
  alter type pair add attribute gone int; alter type pair drop attribute gone; alter type pair add attribute e "Größe";
  create type "Nested Pair" as (p pair, ps pair[], "x.y" citext);
  create type mood_range as range (subtype = mood);
  create type text_range as range (subtype = text, collation = "C");
  create domain positive_range as int4range check (not isempty(value))`;

const onePair = `(1, E'a"b\\\\,( )', 'gehört', '{1.00,NaN}', 2.5)::pair`;

export const userTypes = {
  mood: [`'sad'`, `'it''s "fine", {really}'`, `'gehört'`],
  'mood[]': [`array['so so', null, 'it''s "fine", {really}']::mood[]`, `'[0:1]={sad,gehört}'`],
  amount: ['1.5', '0'],
  '"Größe"': ['999.999'],
  '"Größe"[]': [`array[1, 2.5, null]::numeric[]`],
  feeling: [`'sad'`],
  'feeling[]': [`array['sad', 'gehört']`],
  moods: [`array['sad', null]::mood[]`],
  pair: [onePair, `(null, null, null, null, null)::pair`, `(null, '', 'sad', '{}', 1)::pair`],
  'pair[]': [`array[${onePair}, null]`],
  '"Nested Pair"': [`(${onePair}, array[${onePair}], 'MiXed')::"Nested Pair"`],
  '"Nested Pair"[]': [`array[(null, array[null::pair], 'é')::"Nested Pair"]`],
  mood_range: [`mood_range('sad', 'gehört')`, `'empty'`],
  'mood_range[]': [`array[mood_range('sad', null)]`],
  text_range: [`text_range('a', E'b"\\\\,]')`],
  positive_range: [`'[1,5)'`],
  citext: [`'MiXed é'`],
  'citext[]': [`array['A', null]`],
  hstore: [`'a=>1, "b c"=>NULL, d=>"\\"quoted\\""'`, `''`],
  'hstore[]': [`array['a=>1'::hstore]`],
} satisfies Record<string, readonly string[]>;

export const userTypesSince14 = {
  mood_multirange: [`'{["sad","so so"]}'`],
} satisfies Record<string, readonly string[]>;
