using RlHarness.Core.Randomness;

namespace RlHarness.Training.Supervised;

/// <summary>
/// Batches of an epoch, drawn without regard to length. Lengths are grouped within a batch alone (<see cref="Batching.MicroBatches"/>): the loss is a mean over
/// a batch's tokens, so in batches of like length a short sequence's token would weigh more than a long one's, and what short texts say would be learnt
/// as more frequent than it is (by a fifth, in the quickstart's corpus).
/// </summary>
public static class EpochOrder
{
    /// <summary>Each index occurs once; the last batch may be smaller.</summary>
    public static IReadOnlyList<IReadOnlyList<int>> Batches(int count, int batchSize, RandomStream random) =>
        [.. random.Permutation(count).Chunk(batchSize).Select(b => (IReadOnlyList<int>)b)];
}
