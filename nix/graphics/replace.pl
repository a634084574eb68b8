# Replaces a text in binary files by one that is not longer, and fills up with zero bytes: it is the end of a C string.
#
#   perl replace.pl FROM TO FILE...
use strict;
use warnings;

my ($from, $to, @files) = @ARGV;
die "$to is longer than $from\n" if length $to > length $from;
$to = pack 'a' . length($from), $to;
for my $file (@files) {
    open my $in, '<:raw', $file or die "$file: $!\n";
    my $bytes = do { local $/; <$in> };
    $bytes =~ s/\0\Q$from\E\0/\0$to\0/ or die "$file does not have $from\n";
    chmod 0644, $file;
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $bytes;
    close $out or die "$file: $!\n";
}
