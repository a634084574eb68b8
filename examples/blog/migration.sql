-- It runs at each start.
create table if not exists posts (id serial primary key, text text not null);
