#if RANKS
using System.Runtime.ExceptionServices;
using RlHarness.Training.Collectives;
using TorchSharp;

namespace RlHarness.Tests;

/// <summary>
/// Ranks that are threads of the test's process: each collective is done in memory that they share, in the order of the ranks. Another implementation than the
/// libraries' own, so that what is split is tested where no MPI is; scripts/e2e/mpi has the real ones.
/// </summary>
internal sealed class ThreadRanks : IDisposable
{
    private readonly Array?[] _slots;
    private readonly Barrier _barrier;
    private readonly CancellationTokenSource _broken = new();

    private ThreadRanks(int size) => (_slots, _barrier) = (new Array?[size], new Barrier(size));

    /// <summary>What each rank returns. The first rank that fails ends the others; its exception is thrown.</summary>
    internal static T[] Run<T>(int size, Func<Ranks, T> work, Func<int, CancellationToken>? stop = null)
    {
        using var shared = new ThreadRanks(size);
        var results = new T[size];
        var failures = new Exception?[size];
        Exception? first = null;
        var threads = Enumerable
            .Range(0, size)
            .Select(rank => new Thread(() =>
            {
                torch.set_num_threads(1);
                try
                {
                    using var collectives = new OfThread(shared, rank);
                    results[rank] = work(new Ranks(collectives, stop?.Invoke(rank) ?? CancellationToken.None));
                }
#pragma warning disable CA1031 // thrown again below
                catch (Exception e)
#pragma warning restore CA1031
                {
                    failures[rank] = e;
                    Interlocked.CompareExchange(ref first, e, null);
                    shared._broken.Cancel();
                }
            }))
            .ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        if (first is not null)
            ExceptionDispatchInfo.Throw(first);
        return results;
    }

    public void Dispose()
    {
        _barrier.Dispose();
        _broken.Dispose();
    }

    /// <summary>What every rank gives, by rank.</summary>
    private T[][] Exchange<T>(int rank, T[] own)
    {
        _slots[rank] = own;
        Wait();
        T[][] all = [.. _slots.Select(s => (T[])s!)];
        Wait();
        return all;
    }

    private void Wait() => _barrier.SignalAndWait(_broken.Token);

    private sealed class OfThread(ThreadRanks shared, int rank) : ICollectives
    {
        public int Rank => rank;

        public int Size => shared._slots.Length;

        public string Library => "threads";

        public void AllReduce(Span<float> numbers)
        {
            var all = shared.Exchange(rank, numbers.ToArray());
            for (var i = 0; i < numbers.Length; i++)
                numbers[i] = all.Skip(1).Aggregate(all[0][i], (sum, of) => sum + of[i]);
        }

        public void AllReduce(Span<double> numbers)
        {
            var all = shared.Exchange(rank, numbers.ToArray());
            for (var i = 0; i < numbers.Length; i++)
                numbers[i] = all.Sum(of => of[i]);
        }

        public void ReduceScatter(ReadOnlySpan<float> numbers, Span<float> part, IReadOnlyList<int> counts)
        {
            var sums = numbers.ToArray();
            AllReduce(sums);
            sums.AsSpan(counts.Take(rank).Sum(), counts[rank]).CopyTo(part);
        }

        public void AllGather(Span<float> numbers, IReadOnlyList<int> counts)
        {
            var all = shared.Exchange(rank, numbers.ToArray());
            var at = 0;
            for (var r = 0; r < Size; r++)
            {
                all[r].AsSpan(at, counts[r]).CopyTo(numbers[at..]);
                at += counts[r];
            }
        }

        public byte[][] AllGather(ReadOnlySpan<byte> own) => shared.Exchange(rank, own.ToArray());

        public byte[] Broadcast(ReadOnlySpan<byte> own) => shared.Exchange(rank, own.ToArray())[0];

        public void Barrier() => shared.Wait();

        public void Abort(int code) => shared._broken.Cancel();

        public void Dispose() { }
    }
}
#endif
