import { PGlite } from '@electric-sql/pglite'

/** A PostgreSQL that runs inside this process: nothing to install, and gone when the process ends. */
export interface Database {
  all<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>
  first<Row>(sql: string, parameters?: unknown[]): Promise<Row | undefined>
  /** Rows in the text format of `COPY`, the quickest way into a table. */
  copy(table: string, rows: string): Promise<void>
  exec(sql: string): Promise<void>
  close(): Promise<void>
}

const SCHEMA = `
create table places (
  id int not null, name text not null, country text not null, area text not null, feature text not null,
  population int not null, lat float8 not null, lon float8 not null
);

-- Sections of a place (PPLX) are counted in the place itself; the others are no longer lived in.
create view settlements as
select * from places where feature not in ('PPLX', 'PPLH', 'PPLQ', 'PPLW');

create table saved_places (
  user_id text, place_id int, saved_at timestamptz not null default now(), primary key (user_id, place_id)
);

create table messages (
  id int generated always as identity primary key, place_id int not null, author text not null, text text not null,
  written_at timestamptz not null default now()
);

-- Great-circle distance (haversine), with the mean radius of the earth.
create function distance_km (lat1 float8, lon1 float8, lat2 float8, lon2 float8) returns float8
language sql immutable parallel safe
return 2 * 6371 * asin(sqrt(least(1,
  sin(radians(lat2 - lat1) / 2) ^ 2 + cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2 - lon1) / 2) ^ 2)));
`

/** Opens an empty database with the tables of the example. */
export async function openDatabase (): Promise<Database> {
  const pg = await PGlite.create()
  await pg.exec(SCHEMA)
  return {
    all: async <Row>(sql: string, parameters?: unknown[]) => (await pg.query<Row>(sql, parameters)).rows,
    first: async <Row>(sql: string, parameters?: unknown[]) => (await pg.query<Row>(sql, parameters)).rows[0],
    copy: async (table, rows) => { await pg.query(`copy ${table} from '/dev/blob'`, [], { blob: new Blob([rows]) }) },
    exec: async (sql) => { await pg.exec(sql) },
    close: () => pg.close()
  }
}
