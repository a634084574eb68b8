# Builder: the machine's gcc, which compiles and links for this set: with glibc's headers, loader and libraries of the
# store, nothing of /usr/include or /usr/lib, and without debug information. NIX_CFLAGS_COMPILE and NIX_LDFLAGS add to it, as in nixpkgs.
PATH=/usr/bin:/bin
own=$(dirname "$(gcc -print-libgcc-file-name)")
mkdir -p "$out/bin" "$out/libexec"
cat > "$out/bin/cc" <<END
#!/bin/sh
exec /usr/bin/gcc -nostdinc -B$out/libexec -B$glibc/lib "\$@" -g0 \$NIX_CFLAGS_COMPILE \\
    -isystem $own/include -isystem $glibc/include \\
    -L$glibc/lib -Wl,-rpath,$glibc/lib -Wl,-dynamic-linker,$glibc/lib/ld-linux-x86-64.so.2 \$NIX_LDFLAGS
END
ln -s cc "$out/bin/gcc"
# gcc names the machine's directories to the linker: a configure script would find libraries that are not declared.
cat > "$out/libexec/ld" <<END
#!/bin/sh
for argument; do
    shift
    case \$argument in -L$own | -L$own/) ;; -L/usr/* | -L/lib*) continue ;; esac
    set -- "\$@" "\$argument"
done
exec /usr/bin/ld -nostdlib "\$@"
END
chmod +x "$out/bin/cc" "$out/libexec/ld"
exit 0
