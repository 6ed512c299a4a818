using RlHarness.Core.Errors;
using RlHarness.Models.Generation;
using RlHarness.Tests;
using RlHarness.Training.Batching;
using RlHarness.Training.Collectives;
using RlHarness.Training.Rollouts;

namespace RlHarness.Training.Tests.Collectives;

[Trait("kind", "contract")]
public sealed class RanksTests
{
    [Fact]
    public void Each_rank_has_all_shares_by_rank()
    {
        var all = ThreadRanks.Run(3, ranks => ranks.Gather("squares", () => [ranks.Rank, ranks.Rank * ranks.Rank]));
        Assert.All(all, parts => Assert.Equal([[0, 0], [1, 1], [2, 4]], parts));
    }

    [Fact]
    public void An_error_in_one_share_is_that_of_all_ranks_and_names_its_rank()
    {
        var errors = ThreadRanks.Run(
            3,
            ranks =>
                Assert.Throws<HarnessException>(() =>
                    ranks.Gather("work", () => ranks.Rank == 1 ? throw HarnessException.NotFinite("a loss", double.NaN) : (double[])[1])
                )
        );
        Assert.All(errors, e => Assert.StartsWith("rank 1 of 3: a loss is not finite", e.Message, StringComparison.Ordinal));
        Assert.All(errors, e => Assert.Equal(ErrorKind.Numerics, e.Kind));
    }

    [Fact]
    public void A_stop_of_one_rank_is_that_of_all_and_leaves_none_waiting()
    {
        using var asked = new CancellationTokenSource();
        asked.Cancel();
        var stopped = ThreadRanks.Run(
            3,
            ranks =>
            {
                Assert.False(ranks.Agreed.IsCancellationRequested);
                Assert.Throws<OperationCanceledException>(ranks.StopIfAsked);
                return ranks.Agreed.IsCancellationRequested;
            },
            rank => rank == 2 ? asked.Token : CancellationToken.None
        );
        Assert.Equal([true, true, true], stopped);
    }

    [Fact]
    public void Ranks_at_different_work_are_found_out() =>
        Assert.Contains(
            "gathers left, and rank",
            Assert
                .Throws<InvalidOperationException>(() =>
                    ThreadRanks.Run(2, ranks => ranks.Gather(ranks.IsFirst ? "right" : "left", () => (double[])[]))
                )
                .Message.Replace("gathers right, and rank 1 gathers left", "gathers left, and rank", StringComparison.Ordinal),
            StringComparison.Ordinal
        );

    [Fact]
    public void What_the_first_rank_finds_is_what_all_hear_also_where_it_is_not_a_number()
    {
        var heard = ThreadRanks.Run(
            3,
            ranks => ranks.FromFirst("a pair", () => ranks.IsFirst ? ("seven", double.NaN) : throw new InvalidOperationException("asked another"))
        );
        Assert.All(heard, pair => Assert.Equal(("seven", double.NaN), pair));
    }

    [Fact]
    public void Numbers_of_each_item_come_from_the_rank_that_has_it()
    {
        // Items 0, 3 are rank 0's, 1, 4 rank 1's, 2 rank 2's.
        var each = ThreadRanks.Run(3, ranks => ranks.Each("items", 5, i => (10 * i) + ranks.Rank));
        Assert.All(each, numbers => Assert.Equal([0, 11, 22, 30, 41], numbers));
    }

    [Theory]
    [InlineData(7, 2)]
    [InlineData(7, 3)]
    [InlineData(2, 3)]
    [InlineData(64, 4)]
    public void Shares_have_every_sequence_once_and_about_the_same_work(int count, int ranks)
    {
        using var decoder = Tiny.Decoder();
        var sequences = Tiny.Sequences(count);
        var shares = RankShares.Of(decoder, sequences, ranks);
        Assert.Equal(ranks, shares.Count);
        Assert.Equal(Enumerable.Range(0, count), shares.SelectMany(s => s).Order());
        var rows = shares.Select(s => s.Sum(i => sequences[i].Ids.Count)).ToArray();
        // No share is larger than a fair one and the longest sequence, 14 tokens, on top.
        Assert.All(rows, r => Assert.InRange(r, 0, (rows.Sum() / (double)ranks) + 14));
    }

    [Fact]
    public void Samples_of_a_prompt_are_one_rank_s_and_prompts_are_spread_evenly()
    {
        GenerationRequest[] requests =
        [
            .. Enumerable.Range(0, 7).SelectMany(p => Enumerable.Range(0, 3).Select(s => new GenerationRequest([1, 2, .. Enumerable.Repeat(3, p)], p, s))),
        ];
        var shares = SharedGeneration.Shares(requests, 3);
        Assert.Equal(Enumerable.Range(0, 21), shares.SelectMany(s => s).Order());
        Assert.All(Enumerable.Range(0, 7), p => Assert.Single(shares, s => s.Any(i => requests[i].Prompt == p)));
        // 7 prompts: 3, 2 and 2.
        Assert.Equal([6, 6, 9], shares.Select(s => s.Count).Order());
    }
}
