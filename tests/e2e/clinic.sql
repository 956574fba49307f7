-- A clinic. What must not leave it is marked: it contains `CANARY`, or is one of the numbers and days of patient 1.
CREATE TYPE blood AS ENUM ('A', 'B', '0');
CREATE DOMAIN postcode AS text CHECK (VALUE ~ '^[0-9A-Z ]*$');
CREATE TABLE patients (
    id int PRIMARY KEY,
    mrn varchar(40) NOT NULL UNIQUE,
    email varchar(254) NOT NULL UNIQUE,
    user_name text UNIQUE,
    first_name text NOT NULL CHECK (first_name <> ''),
    last_name text,
    phone text,
    card text,
    iban varchar(34) UNIQUE,
    record uuid UNIQUE,
    born date,
    admitted timestamptz,
    salary numeric(12, 2) CHECK (salary >= 0),
    income int,
    zip postcode,
    nickname text,
    notes text,
    secret jsonb,
    scan bytea,
    status text,
    blood blood,
    contact int REFERENCES patients,
    label text GENERATED ALWAYS AS ('#' || id) STORED
);
CREATE UNIQUE INDEX ON patients (lower(email));
CREATE TABLE visits (
    id int PRIMARY KEY,
    patient int NOT NULL REFERENCES patients,
    mrn varchar(40) REFERENCES patients (mrn),
    remark text,
    UNIQUE (patient, id)
);
INSERT INTO patients
SELECT i * 7700077, 'CANARY-mrn-' || i, 'CANARY.email' || i || '@canary' || i || '.example', 'CANARYuser' || i, 'CANARYfirst' || i,
       'CANARYlast' || i, '+44 20 7946 ' || lpad(i::text, 4, '0'), '4556 7375 8689 9' || lpad(i::text, 3, '0'),
       'GB29CANARY' || lpad(i::text, 10, '0'), md5('CANARY' || i)::uuid,
       CASE i WHEN 1 THEN date '1871-05-23' ELSE date '1960-01-01' + i END,
       CASE i WHEN 1 THEN timestamptz '1871-06-02 03:04:05' ELSE timestamptz '2020-01-01' + i * interval '1 hour' END,
       88444.31 + i, 77333 + i, 'CANARY ' || i, 'CANARYnick' || i, 'CANARY: called CANARYfirst' || i, '{"x": "CANARYjson"}', 'CANARYbytes',
       'CANARYstatus', (enum_range(NULL::blood))[1 + i % 3], CASE WHEN i > 1 THEN (i / 2) * 7700077 END
FROM generate_series(1, 200) AS i;
INSERT INTO visits
SELECT i, (1 + i % 200) * 7700077, 'CANARY-mrn-' || (1 + i % 200), 'CANARYremark' FROM generate_series(1, 600) AS i;
ANALYZE;
