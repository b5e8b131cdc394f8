# Who is not known gets nothing while others are known (RFC 4678 5.3).
kernel is 40 30 20
start
gwm says 40 ? 20
kernel has 40 0 20
clients reach 1 3
