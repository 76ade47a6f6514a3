//! Clients of everyday protocols. Each uses a [`Stack`](crate::Stack) through the doors that are
//! open to everybody, and is linked only where it is named.

pub mod dhcp;
