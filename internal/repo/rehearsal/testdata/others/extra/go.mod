module example.com/extra

go 1.25.0

require example.com/base v1.1.0
