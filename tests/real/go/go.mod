module imago.test/real

go 1.21
