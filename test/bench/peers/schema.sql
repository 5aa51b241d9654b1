CREATE DATABASE peer;
CREATE USER 'peer'@'127.0.0.1' IDENTIFIED BY 'peer';
GRANT ALL ON peer.* TO 'peer'@'127.0.0.1';
USE peer;
CREATE TABLE decisions (
  id BINARY(16) NOT NULL PRIMARY KEY,
  task VARCHAR(64) NOT NULL,
  decided_at_ms BIGINT NOT NULL,
  label VARCHAR(128) NOT NULL,
  confidence DOUBLE NOT NULL,
  automated BOOLEAN NOT NULL,
  request BLOB NOT NULL,
  result BLOB NOT NULL
) ENGINE = InnoDB;
