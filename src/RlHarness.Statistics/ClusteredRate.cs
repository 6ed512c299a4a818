namespace RlHarness.Statistics;

/// <summary>
/// Wilson's interval of a rate whose responses come in queries, with the effective number of responses n / max(1, CR1² / (p(1−p)/n)), less a factor
/// (t_{n−1}/t_{G−1})² for the G queries that the error is estimated from (Korn and Graubard 1998, Survey Methodology 24:193): without it 20 queries cover 93 %.
/// Where all responses are alike nothing tells how alike those of one query are, so a query counts once.
/// </summary>
public static class ClusteredRate
{
    /// <summary>The rate of rows of which something holds, with its interval.</summary>
    /// <param name="query">What rows have in common that count as one cluster.</param>
    public static Estimate Of<T>(IReadOnlyList<T> rows, Func<T, string> query, Func<T, bool> what, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(what);
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        var clusters = new int[rows.Count];
        var values = new double[rows.Count];
        for (var i = 0; i < rows.Count; i++)
        {
            if (!index.TryGetValue(query(rows[i]), out clusters[i]))
                index[query(rows[i])] = clusters[i] = index.Count;
            values[i] = what(rows[i]) ? 1 : 0;
        }

        var rate = values.Average();
        var interval = Wilson(values, clusters, confidence);
        return new(rate, interval.Low, interval.High, rows.Count, index.Count);
    }

    /// <param name="values">0 or 1.</param>
    public static Interval Wilson(IReadOnlyList<double> values, IReadOnlyList<int> clusters, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(values);
        var rate = values.Average();
        var effective = values.Count / DesignEffect(values, clusters);
        var queries = clusters.Distinct().Count();
        if (queries > 1 && queries < values.Count && rate is > 0 and < 1)
            effective *= Math.Pow(StudentT.T(confidence, values.Count - 1) / StudentT.T(confidence, queries - 1), 2);
        return Proportion.WilsonEffective(rate, effective, confidence);
    }

    /// <summary>Responses over effective responses, at least 1.</summary>
    public static double DesignEffect(IReadOnlyList<double> values, IReadOnlyList<int> clusters)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(clusters);
        Guard.SameLength(values.Count, clusters.Count, "values and clusters");
        Guard.That(values.Count > 0, "no values");
        var queries = clusters.Distinct().Count();
        var rate = values.Average();
        if (rate is 0 or 1)
            return values.Count / (double)queries;
        if (queries == values.Count || queries == 1)
            return 1;
        var error = ClusteredMean.Of(values, clusters).Cr1;
        return Math.Max(1, error * error / (rate * (1 - rate) / values.Count));
    }
}
