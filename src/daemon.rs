//! The service: archives what appears and what is ordered, looks after the store, and serves it.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::ops::runs::{Board, Order};
use crate::ops::stop;

/// Works until somebody asks the program to stop.
pub async fn run(board: Arc<Board>, mut orders: UnboundedReceiver<Order>) {
    loop {
        tokio::select! {
            Some(order) = orders.recv() => board.fail(&order.id, "not yet".to_owned()),
            () = stop::signal() => return,
        }
    }
}
