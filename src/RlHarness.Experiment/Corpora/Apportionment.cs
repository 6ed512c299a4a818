namespace RlHarness.Experiment.Corpora;

/// <summary>Whole numbers that follow wanted shares as closely as whole numbers can.</summary>
internal static class Apportionment
{
    /// <summary>Hamilton's method: the floor of each quota, then one more to the largest remainders; of equal ones the first.</summary>
    public static int[] LargestRemainder(int total, IReadOnlyList<double> weights)
    {
        var sum = weights.Sum();
        var quotas = weights.Select(w => total * w / sum).ToArray();
        var counts = quotas.Select(q => (int)Math.Floor(q + 1e-9)).ToArray();
        foreach (var i in Enumerable.Range(0, counts.Length).OrderByDescending(i => Math.Round(quotas[i] - counts[i], 9)).Take(total - counts.Sum()))
            counts[i]++;
        return counts;
    }
}
