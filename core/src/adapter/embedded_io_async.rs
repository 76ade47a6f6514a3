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
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        Connection::read(self, buffer).await
    }
}

impl<P: Profile<Waker = TaskWaker>> Write for Connection<'_, '_, P> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, IoError> {
        Connection::write(self, data).await
    }

    async fn flush(&mut self) -> Result<(), IoError> {
        Connection::flush(self).await
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
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        Reader::read(self, buffer).await
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
    async fn write(&mut self, data: &[u8]) -> Result<usize, IoError> {
        Writer::write(self, data).await
    }

    async fn flush(&mut self) -> Result<(), IoError> {
        Writer::flush(self).await
    }
}

impl<P: Profile<Waker = TaskWaker>> WriteReady for Writer<'_, '_, P> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        Writer::write_ready(self)
    }
}
