# For tests: modules with references, each compiled in one of the three ways of Python (PEP 552), and a program that
# imports them and prints (-v) what it compiles.
{ pkgs }:

pkgs.runCommand "python-modules" { python = pkgs.python3; } ''
  mkdir -p $out/bin $out/lib
  for mode in timestamp checked-hash unchecked-hash; do
      module=$out/lib/$(echo $mode | tr - _).py
      echo "PLACE = '$out'" > $module
      # The time that it has in a store.
      touch -d @1 $module
      $python/bin/python3 -IB -m compileall -q -f --invalidation-mode $mode $module
  done
  cat > $out/bin/python-modules <<END
  #!$python/bin/python3 -Iv
  import sys
  sys.path.append('$out/lib')
  import timestamp, checked_hash, unchecked_hash
  print(timestamp.PLACE, checked_hash.PLACE, unchecked_hash.PLACE, sep='\n')
  END
  chmod +x $out/bin/python-modules
''
