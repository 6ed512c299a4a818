// Compiled by MSBuild when the solution is built (Directory.Build.targets), for .NET Standard 2.0.
using System;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Makes an ELF library's need of a symbol version weak, so that dynamic linkers that do not know the version load it. The file is replaced by a copy, since
/// builds link package files into output folders. The layout is the System V ABI's, as in RlHarness.Models.Native.ElfVersionNeed, which does the same to
/// copies that were not built here.
/// </summary>
public class PatchVersionNeed : Task
{
    private const uint GnuVerneed = 0x6ffffffe;
    private const ushort WeakFlag = 2;

    [Required]
    public ITaskItem[] Libraries { get; set; }

    [Required]
    public string Version { get; set; }

    public override bool Execute()
    {
        foreach (ITaskItem item in Libraries)
        {
            string path = item.ItemSpec;
            byte[] image = File.ReadAllBytes(path);
            if (!MakeWeak(image, Version))
                continue;
            DateTime written = File.GetLastWriteTimeUtc(path);
            string aside = path + ".patched";
            File.WriteAllBytes(aside, image);
            // The time of the original, so that an incremental build does not copy it anew.
            File.SetLastWriteTimeUtc(aside, written);
            File.Delete(path);
            File.Move(aside, path);
            Log.LogMessage(MessageImportance.Normal, "{0}: the need of {1} is weak now", path, Version);
        }

        return true;
    }

    private static bool MakeWeak(byte[] image, string version)
    {
        if (image.Length < 64 || image[0] != 0x7f || image[1] != 'E' || image[2] != 'L' || image[3] != 'F' || image[4] != 2 || image[5] != 1)
            return false;
        long table = BitConverter.ToInt64(image, 0x28);
        int entrySize = BitConverter.ToUInt16(image, 0x3A);
        int count = BitConverter.ToUInt16(image, 0x3C);
        bool changed = false;
        for (int i = 0; i < count; i++)
        {
            long section = table + (long)i * entrySize;
            if (section + 64 > image.Length)
                return changed;
            if (BitConverter.ToUInt32(image, (int)section + 4) != GnuVerneed)
                continue;
            uint link = BitConverter.ToUInt32(image, (int)section + 40);
            long names = BitConverter.ToInt64(image, (int)(table + link * entrySize + 24));
            changed |= MakeWeak(image, BitConverter.ToInt64(image, (int)section + 24), names, version);
        }

        return changed;
    }

    private static bool MakeWeak(byte[] image, long need, long names, string version)
    {
        bool changed = false;
        while (true)
        {
            long aux = need + BitConverter.ToUInt32(image, (int)need + 8);
            for (int left = BitConverter.ToUInt16(image, (int)need + 2); left > 0; left--)
            {
                long name = names + BitConverter.ToUInt32(image, (int)aux + 8);
                ushort flags = BitConverter.ToUInt16(image, (int)aux + 4);
                if ((flags & WeakFlag) == 0 && Encoding.ASCII.GetString(image, (int)name, version.Length) == version && image[name + version.Length] == 0)
                {
                    BitConverter.GetBytes((ushort)(flags | WeakFlag)).CopyTo(image, aux + 4);
                    changed = true;
                }

                uint nextAux = BitConverter.ToUInt32(image, (int)aux + 12);
                if (nextAux == 0)
                    break;
                aux += nextAux;
            }

            uint next = BitConverter.ToUInt32(image, (int)need + 12);
            if (next == 0)
                return changed;
            need += next;
        }
    }
}
