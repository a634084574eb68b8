# The function that `nix bundle` calls with a derivation or an app. `system` is what these have to be for; null: anything.
{ bundle, system ? null }:

it:
if it.type or null != "app" then bundle { drv = it; inherit system; }
else
  let
    # The program of an app is a path below a store path. substring keeps the string context; match would lose it.
    base = builtins.head (builtins.match "${builtins.storeDir}/([^/]+).*" it.program);
    length = builtins.stringLength "${builtins.storeDir}/${base}";
  in
  bundle { drv = builtins.substring 0 length it.program; entry = it.program; inherit system; }
