# Writers of texts and scripts, with the names of nixpkgs, for a set that derives with `runCommand`.
{ runCommand, runtimeShell }:

{
  writeText = builtins.toFile;
  writeShellScript = name: text: runCommand name { inherit text; passAsFile = [ "text" ]; } ''
    { echo '#!${runtimeShell}'; cat "$textPath"; } > $out
    chmod +x $out
  '';
  writeShellScriptBin = name: text: runCommand name { inherit text; passAsFile = [ "text" ]; } ''
    mkdir -p $out/bin
    { echo '#!${runtimeShell}'; cat "$textPath"; } > $out/bin/${name}
    chmod +x $out/bin/${name}
  '';
}
