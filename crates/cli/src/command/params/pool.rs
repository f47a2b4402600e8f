//! `mp params pool`, `mp params price` and `mp params fund`: what rewards are paid from.

use crate::amount::{dollars, flt};
use crate::chain::Chain;
use crate::clock::on_the_wall;
use crate::printer::Printer;
use client::Client;
use client::marketplace::units::Flt;
use client::marketplace::{Call, pool};
use client::view::{pool::Pool, time::Time};

pub(super) async fn show(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    show_now(&chain.client()?, printer).await
}

pub(super) async fn fund(chain: &Chain, printer: &Printer, amount: Flt) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    client
        .pay(&account, &Call::Pool(pool::Call::Fund), amount)
        .await?;
    show_now(&client, printer).await
}

pub(super) async fn price(
    chain: &Chain,
    printer: &Printer,
    flt_price_micro: u64,
    reward_usd_micro: u64,
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let Some(oracle) = client.params().await?.oracle else {
        anyhow::bail!(
            "nobody may state the price of FLT on this network\nhint: its genesis would have to name an oracle"
        );
    };
    anyhow::ensure!(
        oracle == account.address(),
        "{} may not state the price of FLT, {oracle} may\nhint: name its key file with --key or MP_KEY",
        account.address()
    );
    let call = pool::Call::SetPrice {
        flt_price_micro,
        reward_usd_micro,
    };
    client.send(&account, &Call::Pool(call)).await?;
    show_now(&client, printer).await
}

async fn show_now(client: &Client, printer: &Printer) -> anyhow::Result<()> {
    let (pool, now) = (client.pool().await?, client.time().await?);
    printer.result(&pool, &text(&pool, &now));
    Ok(())
}

fn text(pool: &Pool, now: &Time) -> String {
    let mut text = format!(
        "fund: {}\npool of the last epoch: {}\n",
        flt(pool.fund),
        flt(pool.pool)
    );
    let Some(price) = &pool.price else {
        return text + "the price of FLT was never stated";
    };
    text += &format!(
        "FLT at {}, a CU of class 1 is to earn {} an epoch; stated {}",
        dollars(price.flt_price_micro),
        dollars(price.reward_usd_micro),
        on_the_wall(now, price.at)
    );
    if price.stale {
        text += ", which is too long ago: no commitment can be made";
    }
    text
}
