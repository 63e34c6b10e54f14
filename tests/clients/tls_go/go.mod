module eddy.example/tls

go 1.21
