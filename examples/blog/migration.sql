-- It runs at each start, and says nothing of what is there.
set client_min_messages = warning;
create table if not exists posts (id serial primary key, text text not null);
