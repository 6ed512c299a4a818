using RlHarness.Core.Randomness;
using RlHarness.Statistics;

namespace RlHarness.Experiment.Evaluation;

/// <summary>
/// Responses on two sides (tiers, an opportunity and its control, after and before) to the queries that both have, as a bootstrap by queries takes them.
/// </summary>
/// <param name="Values">1 where it happened.</param>
/// <param name="Clusters">Number of the query, from 0.</param>
/// <param name="Sides">1 or 0; the difference is side 1 minus side 0.</param>
/// <param name="More">Queries on which it happened more on side 1.</param>
/// <param name="Less">Queries on which it happened less on side 1.</param>
internal sealed record PairedSides(IReadOnlyList<double> Values, IReadOnlyList<int> Clusters, IReadOnlyList<int> Sides, int Queries, int More, int Less)
{
    /// <summary>McNemar's mid-p with one response a side and query, a sign test over queries with more.</summary>
    public double McNemarP => PairedProportions.McNemarMid(More, Less);

    public static PairedSides Of(IEnumerable<(string Query, int Side, double Value)> rows)
    {
        var paired = rows.GroupBy(r => r.Query).Where(q => q.Select(r => r.Side).Distinct().Count() == 2).ToList();
        var values = new List<double>();
        var clusters = new List<int>();
        var sides = new List<int>();
        int more = 0,
            less = 0;
        for (var query = 0; query < paired.Count; query++)
        {
            foreach (var (_, side, value) in paired[query])
            {
                values.Add(value);
                clusters.Add(query);
                sides.Add(side);
            }

            double Rate(int side) => paired[query].Where(r => r.Side == side).Average(r => r.Value);
            var apart = Rate(1) - Rate(0);
            if (apart > 0)
                more++;
            else if (apart < 0)
                less++;
        }

        return new(values, clusters, sides, paired.Count, more, less);
    }

    /// <summary>
    /// Side 1 minus side 0 with the cluster bootstrap's BCa interval; where resamples do not vary (all alike), Newcombe's hybrid of the two Wilson intervals,
    /// because a bootstrap would be a point.
    /// </summary>
    public Estimate Difference(RandomStream random, double confidence = 0.95, int resamples = ClusterBootstrap.DefaultResamples)
    {
        if (Queries > 1)
        {
            var bootstrap = ClusterBootstrap.Of(ClusterStatistic.Difference, Values, Clusters, Sides, random, confidence, resamples);
            var interval = double.IsNaN(bootstrap.Bca.Low) || double.IsNaN(bootstrap.Bca.High) ? bootstrap.Percentile : bootstrap.Bca;
            if (interval.High > interval.Low)
                return new(bootstrap.Estimate, interval.Low, interval.High, Values.Count, Queries);
        }

        double Mean(int side) => Values.Where((_, i) => Sides[i] == side).Average();
        var (p1, p0) = (Mean(1), Mean(0));
        var hybrid = TwoProportions.Hybrid(
            p1,
            Proportion.WilsonEffective(p1, Queries, confidence),
            p0,
            Proportion.WilsonEffective(p0, Queries, confidence),
            correlation: 0
        );
        return new(p1 - p0, hybrid.Low, hybrid.High, Values.Count, Queries);
    }
}
