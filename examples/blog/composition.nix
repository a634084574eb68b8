# A blog: PostgreSQL, an application in Python and nginx in front of it.
{ pkgs
, compose
  # The directories of their programs.
, postgresql ? "${pkgs.postgresql}/bin"
, nginx ? "${pkgs.nginx}/bin"
, ...
}@options:

let
  # A locale of the caller's that is not in the closure would be refused.
  env.LC_ALL = "C";
  connection = [ "-h" "%RUN%" "-U" "blog" "-d" "postgres" ];
  migration = builtins.path { name = "migration.sql"; path = ./migration.sql; };
  application = builtins.path { name = "blog.py"; path = ./blog.py; };
in
compose ({
  name = "blog";
  stateVariable = "BLOG_DATA_DIR";
  variables.BLOG_LISTEN_ADDR = "127.0.0.1:8000";

  # A directory that initdb did not finish is not taken for a database.
  services.initdb = {
    script = ''
      [ ! -e cluster ] || exit 0
      ${pkgs.coreutils}/bin/rm -rf cluster.new
      ${postgresql}/initdb -D cluster.new -U blog -A trust -E UTF8 --locale=C
      ${pkgs.coreutils}/bin/mv cluster.new cluster
    '';
    inherit env;
    oneshot = true;
    state = "postgres";
  };

  # Only this user can enter %RUN%, so there is no password.
  services.postgres = {
    argv = [ "${postgresql}/postgres" "-D" "%STATE%/cluster" "-k" "%RUN%" "-c" "listen_addresses=" ];
    inherit env;
    after = [ "initdb" ];
    ready.exec = [ "${postgresql}/pg_isready" "-q" ] ++ connection;
    restart = "always";
    state = "postgres";
    # TERM would wait until the last client has gone.
    stop = "INT";
  };

  services.migration = {
    argv = [ "${postgresql}/psql" ] ++ connection ++ [ "-X" "-q" "-1" "-v" "ON_ERROR_STOP=1" "-f" migration ];
    inherit env;
    after = [ "postgres" ];
    oneshot = true;
  };

  services.application = {
    argv = [ "${pkgs.python3}/bin/python3" "-IB" application "%RUN%/blog.sock" "${postgresql}/psql" ] ++ connection;
    inherit env;
    after = [ "migration" ];
    ready.unix = "blog.sock";
    restart = "always";
  };

  services.nginx = {
    argv = [ "${nginx}/nginx" "-e" "stderr" "-p" "%RUN%" "-c" "%RUN%/nginx.conf" ];
    configs."nginx.conf" = ''
      daemon off;
      pid %RUN%/nginx.pid;
      events { }
      http {
        access_log off;
        client_body_temp_path %RUN%/nginx-body;
        proxy_temp_path %RUN%/nginx-proxy;
        fastcgi_temp_path %RUN%/nginx-fastcgi;
        uwsgi_temp_path %RUN%/nginx-uwsgi;
        scgi_temp_path %RUN%/nginx-scgi;
        server {
          listen %BLOG_LISTEN_ADDR%;
          location / { proxy_pass http://unix:%RUN%/blog.sock; }
        }
      }
    '';
    after = [ "application" ];
    ready.http = "http://%BLOG_LISTEN_ADDR%/";
    restart = "always";
    stop = "QUIT";
  };
} // removeAttrs options [ "pkgs" "compose" "postgresql" "nginx" ])
