namespace RlHarness.Training.Collectives;

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
    /// <summary>Numbers of a block: 256 MiB of fp32.</summary>
    private const long Block = 1 << 26;

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
