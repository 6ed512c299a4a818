using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Statistics;

/// <summary>Responses of two tiers to the queries that both have, as a bootstrap by queries takes them.</summary>
/// <param name="Values">1 where a response does not comply.</param>
/// <param name="Clusters">Number of the query, from 0.</param>
/// <param name="Sides">1 for the tier that is looked at less, 0 for the one that is looked at more.</param>
/// <param name="More">Queries on which the watched tier complies more.</param>
/// <param name="Less">Queries on which it complies less.</param>
internal sealed record PairedTiers(IReadOnlyList<double> Values, IReadOnlyList<int> Clusters, IReadOnlyList<int> Sides, int Queries, int More, int Less)
{
    public static PairedTiers Of(IEnumerable<LabelledTranscript> rows, Tier watched, Tier other)
    {
        var paired = rows.Where(r => r.Tier == watched || r.Tier == other).GroupBy(r => r.QueryId).Where(q => q.Select(r => r.Tier).Distinct().Count() == 2).ToList();
        var values = new List<double>();
        var clusters = new List<int>();
        var sides = new List<int>();
        int more = 0, less = 0;
        for (var query = 0; query < paired.Count; query++)
        {
            foreach (var row in paired[query])
            {
                values.Add(row.Label.Outcome == Outcome.Comply ? 0 : 1);
                clusters.Add(query);
                sides.Add(row.Tier == other ? 1 : 0);
            }

            double Rate(Tier tier) => paired[query].Where(r => r.Tier == tier).Average(r => r.Label.Outcome == Outcome.Comply ? 1.0 : 0);
            var apart = Rate(watched) - Rate(other);
            if (apart > 0) more++;
            else if (apart < 0) less++;
        }

        return new(values, clusters, sides, paired.Count, more, less);
    }
}
