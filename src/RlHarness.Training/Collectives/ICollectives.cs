namespace RlHarness.Training.Collectives;

/// <summary>
/// What the processes of one run do together. Each of them, a rank, calls the same operations in the same order; an operation returns when every rank has
/// called it. Nothing here computes a collective: implementations hand on to a library that does.
/// </summary>
public interface ICollectives : IDisposable
{
    /// <summary>Number of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>Number of processes.</summary>
    int Size { get; }

    /// <summary>The library and its version, for people.</summary>
    string Library { get; }

    /// <summary>Replaces each number by its sum over all ranks. The result is the same on all of them.</summary>
    void AllReduce(Span<float> numbers);

    /// <inheritdoc cref="AllReduce(Span{float})"/>
    void AllReduce(Span<double> numbers);

    /// <summary>Sums over all ranks, of which each keeps its part: rank r the next <c>counts[r]</c> numbers behind those of the ranks before it.</summary>
    /// <param name="numbers">All numbers, as many as the counts together.</param>
    /// <param name="part">Where this rank's sums are written.</param>
    void ReduceScatter(ReadOnlySpan<float> numbers, Span<float> part, IReadOnlyList<int> counts);

    /// <summary>Completes numbers of which each rank has its part in place, cut as <see cref="ReduceScatter"/> cuts them.</summary>
    void AllGather(Span<float> numbers, IReadOnlyList<int> counts);

    /// <summary>The bytes of every rank, by rank; their lengths may differ.</summary>
    byte[][] AllGather(ReadOnlySpan<byte> own);

    /// <summary>The bytes of rank 0; what others give does not count.</summary>
    byte[] Broadcast(ReadOnlySpan<byte> own);

    void Barrier();

    /// <summary>Ends all ranks at once with an exit code. Does not return where there are others.</summary>
    void Abort(int code);
}

/// <summary>One process: every operation is done before it is called.</summary>
public sealed class OneProcess : ICollectives
{
    public int Rank => 0;

    public int Size => 1;

    public string Library => "one process";

    public void AllReduce(Span<float> numbers) { }

    public void AllReduce(Span<double> numbers) { }

    public void ReduceScatter(ReadOnlySpan<float> numbers, Span<float> part, IReadOnlyList<int> counts) => numbers.CopyTo(part);

    public void AllGather(Span<float> numbers, IReadOnlyList<int> counts) { }

    public byte[][] AllGather(ReadOnlySpan<byte> own) => [own.ToArray()];

    public byte[] Broadcast(ReadOnlySpan<byte> own) => own.ToArray();

    public void Barrier() { }

    public void Abort(int code) { }

    public void Dispose() { }
}

/// <summary>
/// How flat memory is dealt out to ranks: in blocks, of each of which every rank has a part, so that a block is small enough for one call of a collective, and
/// so is a copy of it beside a GPU.
/// </summary>
/// <param name="Start">Where the block begins.</param>
/// <param name="Counts">The part of each rank, one behind the other.</param>
/// <param name="Own">Where this rank's part begins.</param>
/// <param name="OwnCount">Its length.</param>
/// <param name="Offset">What this rank has of the blocks before: where the part lies in memory that holds nothing but parts.</param>
internal sealed record Shard(long Start, int[] Counts, long Own, int OwnCount, long Offset)
{
    /// <summary>Numbers of a block: 16 MiB of fp32, since MPI takes its size again for a reduce-scatter.</summary>
    private const long Block = 1 << 22;

    internal int Count => Counts.Sum();

    /// <summary>Shards of so many numbers.</summary>
    internal static IReadOnlyList<Shard> Of(long count, int rank, int size, long block = Block)
    {
        var shards = new List<Shard>();
        var offset = 0L;
        for (var start = 0L; start < count; start += block)
        {
            var length = Math.Min(block, count - start);
            int[] counts = [.. Enumerable.Range(0, size).Select(r => (int)((length * (r + 1) / size) - (length * r / size)))];
            shards.Add(new(start, counts, start + (length * rank / size), counts[rank], offset));
            offset += counts[rank];
        }

        return shards;
    }
}
