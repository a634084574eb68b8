# Binds texts to the store: each path below /usr, /bin, /lib or /etc that is in this store path or in a dependency is
# replaced by that. In nixpkgs it is the build that puts store paths there, by --prefix and by patches.
#
#   perl texts.pl OUT DEPENDENCY...
use strict;
use warnings;
use File::Find;

my @places = @ARGV;
my %found;

# The store path's own path for what Debian has at this path; undef if there is none.
sub place {
    my ($path) = @_;
    return $found{$path} if exists $found{$path};
    my $moved = $path;
    $moved =~ s,^(?:/usr)?/s?bin/,bin/, or $moved =~ s,^(?:/usr)?/lib(?:64)?/,lib/, or $moved =~ s,^/usr/(share|libexec|include)/,$1/, or $moved =~ s,^/etc/,etc/,;
    my ($place) = grep { -e "$_/$moved" } @places;
    return $found{$path} = defined $place ? "$place/$moved" : undef;
}

sub bound {
    my ($path) = @_;
    my ($end) = $path =~ /([.\/]*)$/;
    my $whole = substr $path, 0, length($path) - length $end;
    my $place = place($whole);
    return defined $place ? $place . $end : $path;
}

find({ no_chdir => 1, wanted => sub {
    my $file = $File::Find::name;
    return if -l $file or not -f $file or -s $file > 32 << 20 or not -T $file;
    open my $in, '<:raw', $file or die "$file: $!";
    local $/;
    my $text = <$in>;
    close $in;
    return if index($text, "\0") >= 0;
    (my $new = $text) =~ s,(?<![\w./@}-])((?:/usr)?/(?:bin|sbin|lib|lib64)|/usr/(?:share|libexec|include)|/etc)(/[\w.+\@/-]+),bound("$1$2"),ge;
    return if $new eq $text;
    my $mode = (stat $file)[2] & 07777;
    chmod 0644, $file;
    open my $out, '>:raw', $file or die "$file: $!";
    print $out $new;
    close $out or die "$file: $!";
    chmod $mode, $file;
} }, $places[0]);
