using RlHarness.Core.Randomness;

namespace RlHarness.Training.Supervised;

/// <summary>Batches of an epoch: shuffled, with sequences of like length together.</summary>
public static class EpochOrder
{
    /// <summary>
    /// Shuffles, sorts by length within windows of 16 batches, cuts into batches, and shuffles the batches. Each index occurs once; the last batch may be
    /// smaller.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<int>> Batches(IReadOnlyList<int> lengths, int batchSize, RandomStream random)
    {
        var order = random.Permutation(lengths.Count);
        var batches = order.Chunk(batchSize * 16)
            .SelectMany(window => window.OrderBy(i => lengths[i]).ThenBy(i => i).Chunk(batchSize))
            .Select(b => (IReadOnlyList<int>)b)
            .ToList();
        random.Shuffle(batches);
        return batches;
    }
}
