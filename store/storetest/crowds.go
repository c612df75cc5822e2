package storetest

var crowds = []clause{}
