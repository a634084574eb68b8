# Compositions for the tests of services: one of two scripts.
{ pkgs, compose }:

let
  sleep = "${pkgs.coreutils}/bin/sleep";
in
{
  # The database copies its secret, the server is ready when a file is there, and both say when they stop.
  secret = compose {
    name = "secret";
    secrets.db-password = "DB_PASSWORD_FILE";
    services.database = {
      env.PASSWORD_FILE = "%DB_PASSWORD_FILE%";
      script = ''
        read -r password <"$PASSWORD_FILE"
        echo "$password" >password
        trap 'echo database >>stopped; exit' TERM
        while :; do ${sleep} 0.1; done
      '';
    };
    services.server = {
      after = [ "database" ];
      signals = [ "HUP" ];
      ready.log = "ready";
      script = ''
        trap 'echo reloaded >reloaded' HUP
        trap '${sleep} 1; echo server >>stopped; exit' TERM
        until [ -e go ]; do ${sleep} 0.1; done
        echo ready
        while :; do ${sleep} 0.1; done
      '';
    };
  };
}
