# Prints what a service is allowed to do.
open my $status, '<', '/proc/self/status' or die;
print grep /^(NoNewPrivs|CapEff):/, <$status>;
print 'user: ', (61184 <= $< && $< <= 65519 ? 'dynamic' : $<), "\n";
print '/srv: ', (open(my $file, '>', '/srv/file') ? 'writable' : $!), "\n";
print '/tmp/file: ', (-e '/tmp/file' ? 'seen' : 'not seen'), "\n";
# mmap(2): a page to be written and executed.
print 'mmap: ', (syscall(9, 0, 4096, 7, 0x22, -1, 0) == -1 ? $! : 'allowed'), "\n";
