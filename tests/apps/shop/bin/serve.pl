#!/usr/bin/perl
# Serves one page: serve.pl ADDRESS PORT FILE PIDFILE. Comes back when it listens; a daemon of its own goes on.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my ($address, $port, $file, $pid_file) = @ARGV;
my $listener = IO::Socket::INET->new(
    LocalAddr => $address, LocalPort => $port, Listen => 64, ReuseAddr => 1,
) or die "cannot listen on $address:$port: $!\n";

my $child = fork() // die "fork: $!\n";
if ($child) {
    open my $pid, '>', $pid_file or die "$pid_file: $!\n";
    print $pid "$child\n";
    close $pid or die "$pid_file: $!\n";
    exit 0;
}

POSIX::setsid();
chdir '/';
open STDIN, '<', '/dev/null';
open STDOUT, '>', '/dev/null';
open STDERR, '>', '/dev/null';
$SIG{PIPE} = 'IGNORE';

while (1) {
    my $client = $listener->accept or next;
    eval {
        local $SIG{ALRM} = sub { die "slow\n" };
        alarm 5;
        answer($client);
        alarm 0;
    };
    alarm 0;
    close $client;
}

sub answer {
    my ($client) = @_;
    my $request = <$client> // return;
    while (my $line = <$client>) {
        last if $line =~ /^\r?\n$/;
    }
    my ($status, $body) = ('404 Not Found', "not here\n");
    if ($request =~ m{^(?:GET|HEAD) /(?:index\.html)?[ ?]} && open my $page, '<', $file) {
        local $/;
        ($status, $body) = ('200 OK', <$page>);
    }
    my $length = length $body;
    my $type = $status =~ /^200/ ? 'text/html' : 'text/plain';
    print $client "HTTP/1.0 $status\r\nContent-Type: $type\r\nContent-Length: $length\r\nConnection: close\r\n\r\n";
    print $client $body unless $request =~ /^HEAD/;
}
