//! landfall-mqtt
