namespace RlHarness.Statistics;

/// <summary>Roots of monotone functions, to the last bits.</summary>
internal static class RootFinding
{
    /// <summary>
    /// The root of a monotone function between two points. Bisection with the Illinois variant of the secant method: never leaves the bracket, and needs no
    /// derivative. Where the ends have the same sign, the end that is nearer to 0.
    /// </summary>
    public static double Monotone(Func<double, double> f, double low, double high)
    {
        double fl = f(low),
            fh = f(high);
        if (fl == 0)
            return low;
        if (fh == 0)
            return high;
        if (fl > 0 == fh > 0)
            return Math.Abs(fl) < Math.Abs(fh) ? low : high;
        var side = 0;
        for (var i = 0; i < 400; i++)
        {
            var width = high - low;
            if (width <= 4e-16 * Math.Max(Math.Abs(low), Math.Abs(high)))
                break;
            var x = i % 3 == 2 || double.IsInfinity(fl) || double.IsInfinity(fh) ? low + (0.5 * width) : ((fl * high) - (fh * low)) / (fl - fh);
            if (!(x > low && x < high))
                x = low + (0.5 * width);
            if (x <= low || x >= high)
                break;
            var fx = f(x);
            if (fx == 0)
                return x;
            if (fx > 0 == fh > 0)
            {
                (high, fh) = (x, fx);
                if (side == -1)
                    fl *= 0.5;
                side = -1;
            }
            else
            {
                (low, fl) = (x, fx);
                if (side == 1)
                    fh *= 0.5;
                side = 1;
            }
        }

        return low + (0.5 * (high - low));
    }
}
