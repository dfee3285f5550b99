//! The OceanConnect northbound API (spec/oceanconnect).
