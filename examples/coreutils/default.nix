# Many programs in one closure, chosen by the name they are called by.
{ pkgs }: pkgs.coreutils
