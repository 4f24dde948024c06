# Greets, where HOST and PORT say; without gems, because Ruby 3 brings no web server of its own.
require 'socket'

host = ENV.fetch('HOST', '127.0.0.1')
port = ENV.fetch('PORT', '8080').to_i
server = TCPServer.new(host, port)
trap('TERM') { exit }
puts "listening on #{host}:#{port}"
$stdout.flush

loop do
  Thread.start(server.accept) do |client|
    # Lines up to an empty one: a request without a body.
    while (line = client.gets) && line != "\r\n"; end
    body = "Hello from Ruby!\n"
    client.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.size}\r\nConnection: close\r\n\r\n#{body}")
  ensure
    client.close
  end
end
