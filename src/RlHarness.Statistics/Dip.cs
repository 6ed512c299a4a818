namespace RlHarness.Statistics;

/// <summary>
/// Hartigan's dip, the distance in probability of the empirical distribution from the nearest one with a single mode (Hartigan and Hartigan 1985, Annals of
/// Statistics 13:70; their algorithm AS 217 with Maechler's corrections). Large where seeds fall into two groups. Never below 1/(2n); no p value.
/// </summary>
public static class Dip
{
    public static double Of(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count >= 4, $"four values or more are needed, not {values.Count}");
        Guard.That(values.All(double.IsFinite), "a value is not finite");
        double[] x = [.. values.Order()];
        var n = x.Length;
        if (x[0] == x[^1])
            return 1.0 / (2 * n);
        var (convex, concave) = (Touching(x, 1), Touching(x, -1));
        // Distances are counted in 1/(2n); the modal interval [low, high] shrinks until no larger dip can lie inside.
        double dip = 1;
        int low = 0,
            high = n - 1;
        while (true)
        {
            // Below: the greatest convex minorant, from high down to low. Above: the least concave majorant, from low up to high.
            var minorant = Walk(high, low, convex);
            var majorant = Walk(low, high, concave);
            var (distance, ig, ih) = Apart(x, minorant, majorant);
            if (distance < dip)
                break;
            for (var j = ig; j < minorant.Count - 1; j++)
                dip = Math.Max(dip, Within(x, minorant[j + 1], minorant[j], below: true));
            for (var j = ih; j < majorant.Count - 1; j++)
                dip = Math.Max(dip, Within(x, majorant[j], majorant[j + 1], below: false));
            if (low == minorant[ig] && high == majorant[ih])
                break;
            (low, high) = (minorant[ig], majorant[ih]);
        }

        return dip / (2 * n);
    }

    /// <summary>For each point the point before it (after it, for <paramref name="direction"/> −1) at which the hull of all points up to it turns.</summary>
    private static int[] Touching(double[] x, int direction)
    {
        var n = x.Length;
        var (first, last) = direction > 0 ? (0, n - 1) : (n - 1, 0);
        var touch = new int[n];
        touch[first] = first;
        for (var j = first + direction; j != last + direction; j += direction)
        {
            touch[j] = j - direction;
            while (true)
            {
                int near = touch[j],
                    far = touch[near];
                if (near == first || (x[j] - x[near]) * (near - far) < (x[near] - x[far]) * (j - near))
                    break;
                touch[j] = far;
            }
        }

        return touch;
    }

    private static List<int> Walk(int from, int to, int[] touch)
    {
        List<int> points = [from];
        while (points[^1] != to)
            points.Add(touch[points[^1]]);
        return points;
    }

    /// <summary>The largest distance between minorant and majorant, and where each turns there.</summary>
    private static (double Distance, int Ig, int Ih) Apart(double[] x, List<int> minorant, List<int> majorant)
    {
        int ix = minorant.Count - 2,
            iv = 1,
            ig = minorant.Count - 1,
            ih = majorant.Count - 1;
        if (minorant.Count == 2 && majorant.Count == 2)
            return (1, ig, ih);
        double largest = 0;
        do
        {
            int g = minorant[ix],
                v = majorant[iv];
            if (g > v)
            {
                var before = minorant[ix + 1];
                var distance = v - before + 1 - ((x[v] - x[before]) * (g - before) / (x[g] - x[before]));
                iv++;
                if (distance >= largest)
                    (largest, ig, ih) = (distance, ix + 1, iv - 1);
            }
            else
            {
                var before = majorant[iv - 1];
                var distance = ((x[g] - x[before]) * (v - before) / (x[v] - x[before])) - (g - before - 1);
                ix--;
                if (distance >= largest)
                    (largest, ig, ih) = (distance, ix + 1, iv);
            }

            (ix, iv) = (Math.Max(ix, 0), Math.Min(iv, majorant.Count - 1));
        } while (minorant[ix] != majorant[iv]);
        return (largest, ig, ih);
    }

    /// <summary>The largest distance of the empirical distribution from the hull's line between two of its points.</summary>
    private static double Within(double[] x, int from, int to, bool below)
    {
        double largest = 1;
        if (to - from <= 1 || x[to] == x[from])
            return largest;
        var slope = (to - from) / (x[to] - x[from]);
        for (var i = from; i <= to; i++)
        {
            var line = (x[i] - x[from]) * slope;
            largest = Math.Max(largest, below ? i - from + 1 - line : line - (i - from - 1));
        }

        return largest;
    }
}
