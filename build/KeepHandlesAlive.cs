// Compiled by MSBuild when the solution is built (Directory.Build.targets), for .NET Standard 2.0.
using System;
using System.IO;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Marks TorchSharp's assembly as one that is compiled without optimisation. Its methods hand native handles of their arguments to libtorch and never name the
/// arguments again, so that optimised code lets the collector finalise a number or a temporary tensor, and free it, while libtorch reads it: the operation
/// then fails, or reads another number. Without optimisation an argument lives as long as the call. The methods do nothing but call libtorch, so that
/// nothing else gets slower. What is changed is the value of the assembly's one DebuggableAttribute; the file is replaced by a copy, since builds link
/// package files into output folders.
/// </summary>
public class KeepHandlesAlive : Task
{
    // A blob of 8 bytes: prolog, DebuggingModes as int, no named arguments (ECMA-335, II.23.3).
    private static readonly byte[] Optimised = { 8, 1, 0, 2, 0, 0, 0, 0, 0 };
    private static readonly byte[] AsWritten = { 8, 1, 0, 3, 1, 0, 0, 0, 0 };

    [Required]
    public ITaskItem[] Assemblies { get; set; }

    public override bool Execute()
    {
        foreach (ITaskItem item in Assemblies)
        {
            string path = item.ItemSpec;
            byte[] image = File.ReadAllBytes(path);
            int at = Find(image, Optimised, 0);
            if (at < 0 && Find(image, AsWritten, 0) >= 0)
                continue;
            if (at < 0 || Find(image, Optimised, at + 1) >= 0)
            {
                Log.LogError("{0}: not one DebuggableAttribute with the value 2 was found, so that handles cannot be kept alive (docs/backends.md)", path);
                continue;
            }

            AsWritten.CopyTo(image, at);
            DateTime written = File.GetLastWriteTimeUtc(path);
            string aside = path + ".patched";
            File.WriteAllBytes(aside, image);
            // The time of the original, so that an incremental build does not copy it anew.
            File.SetLastWriteTimeUtc(aside, written);
            File.Delete(path);
            File.Move(aside, path);
            Log.LogMessage(MessageImportance.Normal, "{0}: arguments live as long as calls now", path);
        }

        return !Log.HasLoggedErrors;
    }

    private static int Find(byte[] image, byte[] what, int from)
    {
        for (int i = from; i <= image.Length - what.Length; i++)
        {
            int k = 0;
            while (k < what.Length && image[i + k] == what[k])
                k++;
            if (k == what.Length)
                return i;
        }

        return -1;
    }
}
