module bgswitch

go 1.26.0
