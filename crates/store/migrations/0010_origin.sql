CREATE TABLE origin (number {text} NOT NULL);
