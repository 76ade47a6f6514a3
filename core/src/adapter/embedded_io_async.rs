//! `embedded-io-async` on the connections of [`aio`](crate::aio).

use embedded_io::{ErrorType, ReadReady, WriteReady};
use embedded_io_async::{Read, Write};

use crate::aio::{Connection, Reader, TaskWaker, Writer};
use crate::io::IoError;
use crate::profile::Profile;

impl<P: Profile<Waker = TaskWaker>> ErrorType for Connection<'_, '_, P> {
    type Error = IoError;
}

impl<P: Profile<Waker = TaskWaker>> Read for Connection<'_, '_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, IoError>> {
        Connection::read(self, buffer)
    }
}

impl<P: Profile<Waker = TaskWaker>> Write for Connection<'_, '_, P> {
    fn write(&mut self, data: &[u8]) -> impl Future<Output = Result<usize, IoError>> {
        Connection::write(self, data)
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), IoError>> {
        Connection::flush(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> ReadReady for Connection<'_, '_, P> {
    fn read_ready(&mut self) -> Result<bool, IoError> {
        Connection::read_ready(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> WriteReady for Connection<'_, '_, P> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        Connection::write_ready(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> ErrorType for Reader<'_, '_, P> {
    type Error = IoError;
}

impl<P: Profile<Waker = TaskWaker>> Read for Reader<'_, '_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, IoError>> {
        Reader::read(self, buffer)
    }
}

impl<P: Profile<Waker = TaskWaker>> ReadReady for Reader<'_, '_, P> {
    fn read_ready(&mut self) -> Result<bool, IoError> {
        Reader::read_ready(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> ErrorType for Writer<'_, '_, P> {
    type Error = IoError;
}

impl<P: Profile<Waker = TaskWaker>> Write for Writer<'_, '_, P> {
    fn write(&mut self, data: &[u8]) -> impl Future<Output = Result<usize, IoError>> {
        Writer::write(self, data)
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), IoError>> {
        Writer::flush(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> WriteReady for Writer<'_, '_, P> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        Writer::write_ready(self)
    }
}
