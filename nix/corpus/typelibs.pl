# Copies GObject typelibs, with the libraries that they name found in the store, as those that nixpkgs compiles: a path,
# since the loader has no default directories.
#
#   perl typelibs.pl OUT TRIPLET PLACE...
use strict;
use warnings;

my ($out, $triplet, @places) = @ARGV;
for my $file (map { glob "$_/lib/girepository-1.0/*.typelib $_/lib/$triplet/girepository-1.0/*.typelib" } @places) {
    open my $in, '<:raw', $file or die "$file: $!";
    local $/;
    my $typelib = <$in>;
    # The header: the size of the file at 40, the place of the libraries' names at 52.
    my $names = unpack 'V', substr $typelib, 52, 4;
    if ($names) {
        my $libraries = join ',', map {
            my $name = $_;
            my ($found) = grep { -e } map { "$_/lib/$triplet/$name" } @places;
            $found // $name;
        } split /,/, unpack 'Z*', substr $typelib, $names;
        substr $typelib, 52, 4, pack 'V', length $typelib;
        $typelib .= "$libraries\0";
        $typelib .= "\0" x (-length($typelib) % 4);
        substr $typelib, 40, 4, pack 'V', length $typelib;
    }
    mkdir $out;
    open my $copy, '>:raw', $out . substr $file, rindex $file, '/' or die "$out: $!";
    print $copy $typelib;
    close $copy or die "$file: $!";
}
