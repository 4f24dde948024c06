#!/usr/bin/perl
# Greets, where HOST and PORT say.
use strict;
use warnings;
use IO::Socket::INET;

my ($host, $port) = ($ENV{HOST} || '127.0.0.1', $ENV{PORT} || 8080);
my $server = IO::Socket::INET->new(LocalAddr => $host, LocalPort => $port, Listen => 128, ReuseAddr => 1)
    or die "cannot listen on $host:$port: $!\n";
$| = 1;
print "listening on $host:$port\n";

while (my $client = $server->accept) {
    # Lines up to an empty one: a request without a body.
    while (defined(my $line = <$client>)) { last if $line eq "\r\n" }
    my $body = "Hello from Perl!\n";
    print $client "HTTP/1.1 200 OK\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n", $body;
    close $client;
}
