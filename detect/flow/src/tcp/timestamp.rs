//! TCP timestamps (RFC 7323): which packets they show to be old, by the receiver's habits.

use decode::event::StreamEvent;
use decode::settings::OsPolicy;

use crate::tcp::context::{Checked, Context, Refused};
use crate::tcp::session::TcpSession;

/// Seconds after which a timestamp may have wrapped: 24 days.
const STALE: u32 = 24 * 24 * 60 * 60;

/// What the receiver makes of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing to say: no option, or not looked at.
    Unchecked,
    /// It is in order.
    Good,
    /// It is too old, but so is what it is compared with.
    Renewed,
    /// The packet is refused.
    Bad,
}

impl TcpSession {
    /// Refuses a packet whose timestamp is too old; nothing is remembered.
    #[inline]
    pub(crate) fn check_timestamp(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if self.flags.timestamps { self.check_order(ctx) } else { Ok(()) }
    }

    fn check_order(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let verdict = self.judge(ctx);
        ctx.timestamp = Some(verdict);
        if verdict != Verdict::Bad {
            return Ok(());
        }
        ctx.event(StreamEvent::PktInvalidTimestamp);
        Err(Refused)
    }

    /// Remembers the timestamp of an accepted packet.
    #[inline]
    pub(crate) fn take_timestamp(&mut self, ctx: &mut Context<'_, '_>) {
        if self.flags.timestamps {
            self.remember_timestamp(ctx);
        }
    }

    fn remember_timestamp(&mut self, ctx: &mut Context<'_, '_>) {
        let Some((value, _)) = ctx.tcp.options.timestamp else {
            if matches!(self.receiver_os(ctx), OsPolicy::Solaris | OsPolicy::OldSolaris) {
                self.flags.timestamps = false;
            }
            return;
        };
        // Whether the packet is in order is judged by where the stream was before it.
        let verdict = ctx.timestamp.unwrap_or_else(|| self.judge(ctx));
        let (seq, second) = (ctx.seq(), ctx.second);
        let own = self.own(ctx);
        match verdict {
            Verdict::Good => {
                // As in Suricata 8, only a packet without data moves the value on.
                if own.next_seq == seq {
                    own.last_ts = value;
                }
                own.last_ts_second = second;
            }
            Verdict::Renewed => {
                own.last_ts = value;
                own.last_ts_second = second;
            }
            Verdict::Bad => ctx.event(StreamEvent::PktInvalidTimestamp),
            Verdict::Unchecked => {}
        }
    }

    fn judge(&mut self, ctx: &Context<'_, '_>) -> Verdict {
        let Some((value, _)) = ctx.tcp.options.timestamp else { return Verdict::Unchecked };
        let os = self.receiver_os(ctx);
        let in_order = self.own(ctx).next_seq == ctx.seq();
        if self.own(ctx).flags.zero_timestamp {
            match os {
                // These do not take 0 for a timestamp in the handshake.
                OsPolicy::Linux | OsPolicy::Windows2k3 => {
                    self.flags.timestamps = false;
                    return Verdict::Unchecked;
                }
                OsPolicy::OldLinux | OsPolicy::Windows | OsPolicy::Vista => {
                    let own = self.own(ctx);
                    own.flags.zero_timestamp = false;
                    if in_order {
                        own.last_ts = value;
                        return Verdict::Unchecked;
                    }
                }
                _ => {}
            }
        }
        if value == 0 && !takes_zero(os) {
            return Verdict::Bad;
        }
        if os == OsPolicy::Hpux11 && !in_order {
            return Verdict::Unchecked;
        }
        let midstream = self.flags.midstream;
        let own = self.own(ctx);
        let tolerant = os == OsPolicy::Linux || ctx.settings.liberal_timestamps;
        let ahead = value.wrapping_sub(own.last_ts).wrapping_add(u32::from(tolerant)) as i32;
        let last_second =
            if own.last_ts_second == 0 && midstream { ctx.second } else { own.last_ts_second };
        let stale = ctx.second > last_second.saturating_add(STALE);
        match () {
            () if ahead >= 0 && !(stale && own.last_ts != 0) => Verdict::Good,
            () if in_order && stale => Verdict::Renewed,
            () => Verdict::Bad,
        }
    }
}

/// Receivers that accept a timestamp of 0.
const fn takes_zero(os: OsPolicy) -> bool {
    matches!(
        os,
        OsPolicy::OldLinux
            | OsPolicy::Windows
            | OsPolicy::Windows2k3
            | OsPolicy::Vista
            | OsPolicy::Solaris
            | OsPolicy::OldSolaris
    )
}
