using RlHarness.Models.Parallel;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Parallel;

[Trait("kind", "contract")]
public sealed class ParallelWorkTests
{
    [Fact]
    public void Pieces_run_on_threads_of_their_own_with_their_share_of_libtorch_s_threads()
    {
        using var threads = new Threads(6);
        using var all = new Barrier(3);
        var seen = new (int Thread, int Share)[3];
        // The barrier opens only where all three run at the same time.
        ParallelWork.Run([
            .. Enumerable
                .Range(0, 3)
                .Select(i =>
                    (Action)(
                        () =>
                        {
                            Assert.True(all.SignalAndWait(TimeSpan.FromSeconds(30)));
                            seen[i] = (Environment.CurrentManagedThreadId, torch.get_num_threads());
                        }
                    )
                ),
        ]);
        Assert.Equal(3, seen.Select(s => s.Thread).Distinct().Count());
        Assert.All(seen, s => Assert.Equal(2, s.Share));
        Assert.Equal(Environment.CurrentManagedThreadId, seen[0].Thread);
        Assert.Equal(6, torch.get_num_threads());
    }

    [Fact]
    public void The_first_failure_comes_back_when_all_pieces_have_ended()
    {
        using var threads = new Threads(3);
        var ended = false;
        var thrown = Assert.Throws<InvalidOperationException>(() =>
            ParallelWork.Run(
                () => { },
                () => throw new InvalidOperationException("second"),
                () =>
                {
                    using (var never = new ManualResetEventSlim())
                        never.Wait(50);
                    ended = true;
                    throw new NotSupportedException("third");
                }
            )
        );
        Assert.Equal("second", thrown.Message);
        Assert.True(ended);
        Assert.Equal(3, torch.get_num_threads());
    }

    [Fact]
    public void Only_small_models_are_worth_it_and_no_piece_is_cut_again()
    {
        using var threads = new Threads(4);
        using var decoder = Tiny.Decoder();
        var parameters = decoder.Parameters.Count;
        Assert.Equal(4, ParallelWork.DegreeOfParallelism(decoder, 100, parameters));
        Assert.Equal(3, ParallelWork.DegreeOfParallelism(decoder, 3, parameters));
        Assert.Equal(1, ParallelWork.DegreeOfParallelism(decoder, 0, parameters));
        Assert.Equal(1, ParallelWork.DegreeOfParallelism(decoder, 100, parameters - 1));
        var inside = 0;
        ParallelWork.Run(() => inside += ParallelWork.DegreeOfParallelism(decoder, 4, parameters), () => { });
        Assert.Equal(1, inside);
    }
}
