using System.Globalization;

namespace RlHarness.Core.Runs;

/// <summary>Memory of this process and of the machine, from /proc.</summary>
public static class ProcessMemory
{
    /// <summary>Largest resident set so far, in GiB; NaN where the system doesn't say.</summary>
    public static double PeakGiB() => Read("/proc/self/status", "VmHWM:");

    /// <summary>What is resident now, in GiB; NaN where the system doesn't say.</summary>
    public static double ResidentGiB() => Read("/proc/self/status", "VmRSS:");

    /// <summary>Lets <see cref="PeakGiB"/> start from what is resident now; false where the system can't.</summary>
    public static bool ResetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Memory that new work can have, in GiB.</summary>
    public static double AvailableGiB() => Read("/proc/meminfo", "MemAvailable:");

    public static double TotalGiB() => Read("/proc/meminfo", "MemTotal:");

    private static double Read(string file, string key)
    {
        if (!File.Exists(file))
            return double.NaN;
        foreach (var line in File.ReadLines(file))
            if (line.StartsWith(key, StringComparison.Ordinal))
                return double.Parse(line[key.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / (1024 * 1024);
        return double.NaN;
    }
}
