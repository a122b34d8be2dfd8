"""What a sweep will take, and what it rests on."""
